#pragma once

#include <cstdint>

namespace halftone {

/// The maps of ops/maps and ops/activation.h that kernels of every backend have.
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

}  // namespace halftone
