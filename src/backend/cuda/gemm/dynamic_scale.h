#pragma once

#include "backend/cuda/gemm/power_of_two.h"

namespace halftone::cuda {

/// Scale and inverse as scheme/dynamic.h has them, of the largest magnitude's bits; an inverse of 0 makes
/// every code 0.
struct DynamicScale {
  float scale, inverse;
};
DEVICE DynamicScale dynamic_scale(int largest_bits) {
  const float largest = float_of(static_cast<uint32_t>(largest_bits));
  if (largest_bits >= 0x7f800000) return {float_of(0x7fc00000u), 0};
  if (largest < 0x1p-120f) return {0, 0};
  return {largest / 127.0f, 127.0f / largest};
}
DEVICE int dynamic_code(float x, const DynamicScale& scale) {
  return scale.inverse == 0 ? 0 : round_to_int(product(x, scale.inverse));
}

}  // namespace halftone::cuda
