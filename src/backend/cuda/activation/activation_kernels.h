#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// The maps of ops/maps and ops/activation.h that models have between their products.
enum class Activation : int32_t {
  sigmoid,
  tanh,
  swish,  ///< x / (1 + e^(-alpha x))
  gelu,
  gelu_tanh,
  leaky_relu,    ///< x < 0 ? alpha x : x
  hard_sigmoid,  ///< alpha x + beta, cut to [0, 1]
  hard_swish,
};

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
