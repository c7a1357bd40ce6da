#pragma once

#include <cstdint>

namespace halftone {

/// The maps of ops/maps that are no Activation (backend/activation.h), and Clip.
enum class Map : int32_t {
  abs,
  acos,
  acosh,
  asin,
  asinh,
  atan,
  atanh,
  ceil,
  celu,  ///< x > 0 ? x : a (e^(x / a) - 1)
  clip,  ///< to [a, b]; NaN stays
  cos,
  cosh,
  elu,  ///< x > 0 ? x : a (e^x - 1)
  erf,
  exp,
  floor,
  log,
  mish,  ///< x tanh(softplus(x))
  negate,
  reciprocal,
  relu,   ///< NaN stays
  round,  ///< ties to even
  selu,   ///< b (x > 0 ? x : a (e^x - 1))
  sign,   ///< of 0 and NaN: themselves
  sin,
  sinh,
  softplus,  ///< log(1 + e^x)
  softsign,  ///< x / (1 + |x|)
  sqrt,
  tan,
  threshold,  ///< x > a ? x : 0
};

}  // namespace halftone
