#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// y = e^(x - max) / sum of them, by rows of `width`, one block a row.
struct SoftmaxArgs {
  const float* x;
  float* y;
  int64_t width;
};
constexpr size_t kSoftmaxShared = 2 * kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(softmax_kernel, SoftmaxArgs);

}  // namespace halftone::cuda
