#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// y = (x - mean) / sqrt(variance + epsilon) * scale + shift by rows of `width`, one block a row. Threads
/// take four neighbours (`wide`: the width is a multiple of four and all pointers are 16-byte aligned) or
/// one.
struct LayerNormalizationArgs {
  const float* x;
  const float* scale;
  const float* shift;  ///< null: none
  float* y;
  int width;
  float epsilon;
  bool wide;
};
constexpr size_t kLayerNormalizationShared = 2 * kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(layer_normalization_kernel, LayerNormalizationArgs);

}  // namespace halftone::cuda
