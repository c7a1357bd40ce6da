#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// y = (x - mean) / sqrt(variance + epsilon) * scale + shift by rows of `width`, one block a row. Threads
/// take four neighbours (`wide`: the width is a multiple of four and all pointers are 16-byte aligned) or
/// one. All are of the type that the kernel is named by.
struct LayerNormalizationArgs {
  const void* x;
  const void* scale;
  const void* shift;  ///< null: none
  void* y;
  int width;
  float epsilon;
  bool wide;
};
constexpr size_t kLayerNormalizationShared = 2 * kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(layer_normalization_f32, LayerNormalizationArgs);
DECLARE_DEVICE_KERNEL(layer_normalization_f16, LayerNormalizationArgs);
DECLARE_DEVICE_KERNEL(layer_normalization_bf16, LayerNormalizationArgs);

}  // namespace halftone::cuda
