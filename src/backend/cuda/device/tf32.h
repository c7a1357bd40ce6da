#pragma once

// Numbers as the Tensor Cores' tf32 has them: f32's range, 11 bits of significand.

#include "backend/cuda/device/half.h"

namespace halftone::cuda {

/// Rounded to the nearest, ties away from zero; NaN stays one, whose bits a rounding would carry away.
DEVICE uint32_t tf32_of(float x) {
  return x == x ? bits_of(x) + 0x1000u : 0x7fc00000u;
}

/// Both halves of a pair of f16, exactly.
struct Tf32Halves {
  uint32_t low, high;
};
DEVICE Tf32Halves tf32_of_f16x2(uint32_t pair) {
  const Vec2 both = f32_of_f16x2(pair);
  return {bits_of(both.x), bits_of(both.y)};
}

/// Whether a sum had an infinite or missing number among its factors, whatever the other factor: no sum of
/// products of finite f16 leaves f32's range.
DEVICE bool is_beyond_f16(float sum) {
  return !(absolute(sum) < kInfinity);
}

}  // namespace halftone::cuda
