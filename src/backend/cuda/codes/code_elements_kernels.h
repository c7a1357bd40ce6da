#pragma once

#include "backend/cuda/codes/code_math.h"

namespace halftone::cuda {

/// Codes of one element each, four neighbours a thread where `words` (all of `count`, a multiple of four, and
/// on whole words), one otherwise. a and b are repeated where they are shorter.
struct CodeElementsArgs {
  const uint8_t* a;
  const uint8_t* b;
  uint8_t* y;
  int64_t count, a_count, b_count;
  bool words;
};

/// y = table[a].
struct CodeMapArgs {
  CodeElementsArgs codes;
  const uint8_t* table;
};
/// ops/code_sum.h.
struct CodeSumArgs {
  CodeElementsArgs codes;
  int32_t a_factor, b_factor, offset, shift;
};
/// Mul of ops/code_pairs.h.
struct CodeProductArgs {
  CodeElementsArgs codes;
  int32_t a_zero, b_zero;
  DeviceRequantizer requantizer;
};

DECLARE_DEVICE_KERNEL(map_codes_kernel, CodeMapArgs);
DECLARE_DEVICE_KERNEL(add_codes_kernel, CodeSumArgs);
DECLARE_DEVICE_KERNEL(mul_codes_kernel, CodeProductArgs);

}  // namespace halftone::cuda
