#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// The place of the largest number of each row of `width`; NaN counts as larger than any. Of equals the first
/// wins, or with `last` the last. Block (row, part) looks at an even share of the row; with more than one
/// part, what each found lies in `values` and `places`, and another launch with width = parts, x = values and
/// `of` = places joins them.
struct ArgMaxArgs {
  const float* x;
  const int64_t* of;  ///< [rows, width]: the place of each number; null: its own
  int64_t width;
  int64_t* places;  ///< [rows, parts]
  float* values;    ///< [rows, parts]; null: not asked for
  bool last;
};
constexpr size_t kArgMaxShared = kWarp * (sizeof(int64_t) + sizeof(float));

DECLARE_DEVICE_KERNEL(arg_max_kernel, ArgMaxArgs);

}  // namespace halftone::cuda
