#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// *to becomes `value` where that is larger.
#ifdef __CUDACC__
DEVICE void atomic_max(int* to, int value) {
  atomicMax(to, value);
}
#else
inline void atomic_max(int* to, int value) {
  const std::atomic_ref shared(*to);
  if (shared.load(std::memory_order_relaxed) < value) shared.store(value, std::memory_order_relaxed);
  host::used_atomic(to, true);
}
#endif

}  // namespace halftone::cuda
