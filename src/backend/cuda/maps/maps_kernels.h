#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/device/four.h"

namespace halftone::cuda {

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
  clip,  ///< NaN stays
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

/// y = f(x); low and high are the ends of a clip, one number each, null where there is none. A thread takes
/// four neighbours, at once where x and y are aligned to 16 bytes (`wide`).
template <class In, class Out>
struct MapArgs {
  In x;
  Out y;
  In low;
  In high;
  int64_t count;
  Map kind;
  float a, b;
  bool wide;
};
using FloatMapArgs = MapArgs<Floats, FloatsOut>;
using IntMapArgs = MapArgs<const int32_t*, int32_t*>;
using LongMapArgs = MapArgs<const int64_t*, int64_t*>;

DECLARE_DEVICE_KERNEL(map_floats, FloatMapArgs);
/// Abs, Clip, Neg, Relu and Sign alone; sums wrap around.
DECLARE_DEVICE_KERNEL(map_i32, IntMapArgs);
DECLARE_DEVICE_KERNEL(map_i64, LongMapArgs);

}  // namespace halftone::cuda
