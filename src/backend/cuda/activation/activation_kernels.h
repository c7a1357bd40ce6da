#pragma once

#include "backend/activation.h"
#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// y = f(x), or f(x) * up where there is one. A thread takes four neighbours when `count` is a multiple of
/// four and all pointers are 16-byte aligned (`wide`), otherwise one.
struct ActivationArgs {
  Floats x;
  Floats up;  ///< null: none
  FloatsOut y;
  int64_t count;
  Activation kind;
  float alpha, beta;
  bool wide;
};

DECLARE_DEVICE_KERNEL(activation_kernel, ActivationArgs);

}  // namespace halftone::cuda
