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
  *to = *to < value ? value : *to;
}
#endif

}  // namespace halftone::cuda
