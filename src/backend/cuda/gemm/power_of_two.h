#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// The bits of |x|; those of NaN are above those of infinity.
DEVICE int magnitude_bits(float x) {
  return static_cast<int>(bits_of(x) & 0x7fffffffu);
}

/// Powers of two that bring numbers up to a magnitude into f16: times `scale` the largest is in
/// [2^14, 2^15); `back` is 1 / scale. (Magnitudes below 2^-111 count as that.)
struct HalfRange {
  float scale, back;
};
DEVICE HalfRange half_range(int largest_bits) {
  const int exponent = largest_bits >> 23;
  const uint32_t e = exponent < 16 ? 16u : static_cast<uint32_t>(exponent);
  return {float_of((268 - e) << 23), float_of((e - 14) << 23)};
}

/// Two numbers in f16's range as a pair, and as a second one what that rounding took off.
struct SplitPair {
  uint32_t high, low;
};
DEVICE SplitPair split_pair(float x, float y) {
  const uint32_t high = f16x2_of(x, y);
  const Vec2 back = f32_of_f16x2(high);
  return {high, f16x2_of(x - back.x, y - back.y)};
}

}  // namespace halftone::cuda
