#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Element types that are cast between.
enum class Element : int32_t { f32, half, brain, i64, i32, i16, i8, u32, u16, u8, boolean };

/// y = x as another type (to_number() of ops/elementwise.h): floating to integer cuts towards zero and,
/// beyond the type's range, gives its nearest end, NaN gives 0; integers wrap around; anything but 0 is true.
/// A thread an element.
struct CastArgs {
  const void* x;
  void* y;
  int64_t count;
  Element from, to;
};
DECLARE_DEVICE_KERNEL(cast_kernel, CastArgs);

}  // namespace halftone::cuda
