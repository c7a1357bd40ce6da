#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Four neighbours of a kind, read and written (load_wide(), store_wide()) by up to 16 bytes at a time.
template <class T>
struct alignas(sizeof(T) > 4 ? 16 : 4 * sizeof(T)) Four {
  T of[4];
};

}  // namespace halftone::cuda
