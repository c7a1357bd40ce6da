#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Bytes that launch_arg_max() needs besides.
size_t arg_max_workspace(int64_t rows, int64_t width);

/// places[r] = the place of the largest of x[r * width..], all in the device's memory. NaN counts as larger
/// than any number; of equals the first wins, or with `last` the last. width > 0.
void launch_arg_max(Device& device, const float* x, int64_t rows, int64_t width, bool last, int64_t* places,
                    std::span<std::byte> workspace);

}  // namespace halftone::cuda
