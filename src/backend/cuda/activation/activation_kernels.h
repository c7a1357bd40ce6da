#pragma once

#include "backend/activation.h"
#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// y = f(x), or f(x) * up where there is one. A thread takes four neighbours when `count` is a multiple of
/// four and all pointers are 16-byte aligned (`wide`), otherwise one.
struct ActivationArgs {
  const float* x;
  const float* up;  ///< null: none
  float* y;
  int64_t count;
  Activation kind;
  float alpha, beta;
  bool wide;
};

DECLARE_DEVICE_KERNEL(activation_kernel, ActivationArgs);

}  // namespace halftone::cuda
