#pragma once

#include "backend/cuda/broadcast/broadcast_kernels.h"

namespace halftone::cuda {

/// y = condition ? a : b, broadcast; elements of 1, 2, 4 or 8 bytes, whatever they stand for. A condition
/// that is no 0 is true.
struct WhereArgs {
  const uint8_t* condition;
  const void* a;
  const void* b;
  void* y;
  Broadcast<3> at;  ///< of condition, a and b
  int32_t bytes;
};
DECLARE_DEVICE_KERNEL(where_kernel, WhereArgs);

}  // namespace halftone::cuda
