#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// How a cache's numbers go to the Tensor Cores: two of them a word, as f16 (int8 codes too, exactly) or
/// bf16.
template <class T>
struct StoredPairs {
  static constexpr int kPerLoad = 8;  ///< numbers in 16 bytes
  DEVICE_MEMBER static uint32_t pack(float low, float high) { return f16x2_of(low, high); }
  DEVICE_MEMBER static Vec2 unpack(uint32_t pair) { return f32_of_f16x2(pair); }
  DEVICE_MEMBER static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_f16(d, a, b);
  }
};
template <>
struct StoredPairs<bf16> {
  static constexpr int kPerLoad = 8;
  DEVICE_MEMBER static uint32_t pack(float low, float high) { return bf16x2_of(low, high); }
  DEVICE_MEMBER static Vec2 unpack(uint32_t pair) { return f32_of_bf16x2(pair); }
  DEVICE_MEMBER static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_bf16(d, a, b);
  }
};
template <>
struct StoredPairs<int8_t> : StoredPairs<f16> {
  static constexpr int kPerLoad = 16;
};

/// Signed bytes 0 and 1 (2 and 3 with `high`) as two f16. A byte u above 1024's bits is 1024 + u.
DEVICE uint32_t f16_of_codes(uint32_t codes, bool high) {
  const uint32_t biased = codes ^ 0x80808080u;
  return f16x2_sub(pick_bytes(biased, 0x64646464u, high ? 0x4342u : 0x4140u), 0x64806480u);
}

}  // namespace halftone::cuda
