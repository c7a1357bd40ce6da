#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// y = x / sqrt(mean of x^2 + epsilon) * scale by rows of `width`, one block a row. With `skip`, x + skip
/// stands for x and is written to `sum`. Threads take four neighbours (`wide`: the width is a multiple of
/// four and all pointers are 16-byte aligned) or one.
struct RmsNormalizationArgs {
  const float* x;
  const float* skip;  ///< null: none
  const float* scale;
  float* y;
  float* sum;
  int width;
  float epsilon;
  bool wide;
  bool constant_scale;  ///< no kernel writes it
};
constexpr size_t kRmsNormalizationShared = kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(rms_normalization_kernel, RmsNormalizationArgs);

}  // namespace halftone::cuda
