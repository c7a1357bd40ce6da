#pragma once

// What a product does to its sums before it stores them (ops/fused_activation.h), for device code.

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// FusedActivation with its kind as a number of the same order.
struct DeviceActivation {
  enum Kind : int32_t {
    none,
    relu,
    clip,
    leaky_relu,
    sigmoid,
    silu,
    hard_sigmoid,
    hard_swish,
    tanh,
    gelu,
    gelu_tanh
  };
  int32_t kind;
  float a, b;
};

DEVICE float cut(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

DEVICE float activate(const DeviceActivation& f, float x) {
  switch (f.kind) {
    case DeviceActivation::relu:
      return x < 0 ? 0 : x;
    case DeviceActivation::clip:
      return cut(x, f.a, f.b);
    case DeviceActivation::leaky_relu:
      return x < 0 ? f.a * x : x;
    case DeviceActivation::sigmoid:
      return 1.0f / (1.0f + accurate_exp(-x));
    case DeviceActivation::silu:
      return x / (1.0f + accurate_exp(-x));
    case DeviceActivation::hard_sigmoid:
      return cut(product(f.a, x) + f.b, 0, 1);
    case DeviceActivation::hard_swish:
      return x * cut(x / 6.0f + 0.5f, 0, 1);
    case DeviceActivation::tanh:
      return accurate_tanh(x);
    case DeviceActivation::gelu:
      return 0.5f * x * (1.0f + accurate_erf(x * 0.70710678118654752f));
    case DeviceActivation::gelu_tanh:
      return 0.5f * x * (1.0f + accurate_tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    default:
      return x;
  }
}

}  // namespace halftone::cuda
