#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// y = x / sqrt(mean of x^2 + epsilon) * scale by rows of `width`, one block a row. With `skip`, x + skip
/// stands for x and is written to `sum`. Threads take four neighbours (`wide`: the width is a multiple of
/// four and all pointers are 16-byte aligned) or one. All are of the type that the kernel is named by; in 16
/// bits sums, and what is normal before it is scaled, are rounded, as ONNX says.
struct RmsNormalizationArgs {
  const void* x;
  const void* skip;  ///< null: none
  const void* scale;
  void* y;
  void* sum;
  int width;
  float epsilon;
  bool wide;
  bool constant_scale;  ///< no kernel writes it
};
constexpr size_t kRmsNormalizationShared = kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(rms_normalization_f32, RmsNormalizationArgs);
DECLARE_DEVICE_KERNEL(rms_normalization_f16, RmsNormalizationArgs);
DECLARE_DEVICE_KERNEL(rms_normalization_bf16, RmsNormalizationArgs);

}  // namespace halftone::cuda
