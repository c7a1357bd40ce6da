#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/device/four.h"
#include "backend/map.h"

namespace halftone::cuda {

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
