#pragma once

#include "ops/window.h"

namespace halftone::cuda {

/// Sizes of X and Y and the window along each of the three axes of a kernel's arguments; leading axes that
/// are not there have one place.
template <class Args>
void set_axes(Args& args, const Window& window, const Shape& x, const Shape& y) {
  for (int a = 0; a < 3; ++a) {
    const int axis = a - (3 - window.rank);
    const WindowAxis along = axis < 0 ? WindowAxis{} : window[axis];
    args.size[a] = axis < 0 ? 1 : static_cast<int32_t>(x[2 + axis]);
    args.out[a] = axis < 0 ? 1 : static_cast<int32_t>(y[2 + axis]);
    args.kernel[a] = static_cast<int32_t>(along.kernel);
    args.stride[a] = static_cast<int32_t>(along.stride);
    args.dilation[a] = static_cast<int32_t>(along.dilation);
    args.pad[a] = static_cast<int32_t>(along.pad_begin);
  }
}

}  // namespace halftone::cuda
