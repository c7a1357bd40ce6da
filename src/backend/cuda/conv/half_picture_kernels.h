#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// Numbers rounded to f16, eight elements a thread, in order or as_fragments (gemm/half_rows_kernels.h).
struct HalfPictureArgs {
  Floats x;
  uint16_t* halves;
  int64_t elements;  ///< a multiple of 32
  bool wide;         ///< x is 16-byte aligned
  bool as_fragments;
  int* zeros;  ///< that the first block sets to 0: counters of the kernel that follows
  int zero_count;
};
DECLARE_DEVICE_KERNEL(half_picture, HalfPictureArgs);

}  // namespace halftone::cuda
