#pragma once

// Stored codes in device code, as ops/storage.h and ops/requantizer.h have them, bit for bit.

#include "backend/cuda/fused_activation.h"
#include "ops/gate_polynomial.h"

namespace halftone::cuda {

struct DeviceCodes {
  float scale;
  int32_t zero;
};

DEVICE uint8_t encode(float x, const DeviceCodes& codes) {
  const float code = x / codes.scale;
  if (code != code) return static_cast<uint8_t>(codes.zero);
  const int rounded = round_to_int(cut(code, -1024, 1024)) + codes.zero;
  return static_cast<uint8_t>(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}
DEVICE float decode(uint8_t code, const DeviceCodes& codes) {
  return product(static_cast<float>(int{code} - codes.zero), codes.scale);
}

/// FixedMultiplier (scheme/requantize.h).
struct DeviceMultiplier {
  int32_t mantissa, shift;
};

/// multiply_fixed() (scheme/requantize.h).
DEVICE int32_t multiply_fixed(int32_t x, const DeviceMultiplier& by) {
  const int32_t left = by.shift > 0 ? by.shift : 0, right = by.shift < 0 ? -by.shift : 0;
  const int32_t limit = 0x7fffffff >> left;
  x = x < -limit ? -limit : x > limit ? limit : x;
  const int64_t shifted = int64_t{x} * (int64_t{1} << left);
  const auto high = static_cast<int32_t>((shifted * by.mantissa + (int64_t{1} << 30)) >> 31);
  const auto mask = static_cast<int32_t>((int64_t{1} << right) - 1);
  const int32_t threshold = (mask >> 1) + (high < 0 ? 1 : 0);
  return (high >> right) + ((high & mask) > threshold ? 1 : 0);
}

/// gated() (ops/gate_polynomial.h).
DEVICE float gated(const GatePolynomial& by, float x) {
  const float size = x < 0 ? -x : x, u = size < by.reach ? size : by.reach;
  float r = by.coefficients[0];
  UNROLL
  for (int i = 1; i <= GatePolynomial::kDegree; ++i) r = multiply_add(r, u, by.coefficients[i]);
  if (by.fourth_power) {
    r = product(r, r);
    r = product(r, r);
  }
  return multiply_add(-u, r, x > 0 ? x : 0);
}

/// Requantizer: what becomes of the sums of one layer.
struct DeviceRequantizer {
  const float* multipliers;             ///< by output
  const float* below;                   ///< of negative sums; null: the same
  const float* gains;                   ///< behind the gate; null: there is none
  const DeviceMultiplier* fixed;        ///< null: the product is in f32
  const DeviceMultiplier* fixed_below;  ///< null: the same
  const uint8_t* table;                 ///< null: none
  GatePolynomial gate;
  int32_t zero, lowest, highest;
  DeviceActivation activation;  ///< of floating results
};

DEVICE uint8_t requantize(const DeviceRequantizer& by, int32_t sum, int output) {
  int32_t moved;
  if (by.fixed) {
    const bool below = sum < 0 && by.fixed_below;
    moved = multiply_fixed(sum, (below ? by.fixed_below : by.fixed)[output]);
  } else {
    const bool below = sum < 0 && by.below;
    float x = product(static_cast<float>(sum), (below ? by.below : by.multipliers)[output]);
    if (by.gains) x = product(gated(by.gate, x), by.gains[output]);
    moved = round_to_int(cut(x, -1e9f, 1e9f));
  }
  const int64_t shifted = int64_t{moved} + by.zero;
  const int32_t code = shifted < by.lowest    ? by.lowest
                       : shifted > by.highest ? by.highest
                                              : static_cast<int32_t>(shifted);
  return by.table ? by.table[code] : static_cast<uint8_t>(code);
}
DEVICE float requantized_value(const DeviceRequantizer& by, int32_t sum, int output) {
  return activate(by.activation, product(static_cast<float>(sum), by.multipliers[output]));
}

}  // namespace halftone::cuda
