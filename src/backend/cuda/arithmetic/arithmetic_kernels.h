#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

enum class Arithmetic : int32_t { add, sub, mul, div };

constexpr int kArithmeticDims = 6;

/// y = a op b, broadcast: element (i0, ..) of y meets the elements of a and b at the sums of their steps.
/// With one dimension and steps of 0 or 1, and all aligned to 16 bytes (`wide`), a thread takes four
/// neighbours, otherwise one element.
struct ArithmeticArgs {
  const float* a;
  const float* b;
  float* y;
  int64_t count;
  int64_t extents[kArithmeticDims];  ///< the first `dims`, outermost first
  int64_t a_steps[kArithmeticDims];
  int64_t b_steps[kArithmeticDims];
  int dims;
  Arithmetic op;
  bool wide;
};

DECLARE_DEVICE_KERNEL(arithmetic_kernel, ArithmeticArgs);

}  // namespace halftone::cuda
