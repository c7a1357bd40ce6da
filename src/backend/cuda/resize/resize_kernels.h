#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// What one output index along an axis takes: elements taps[begin] to taps[end] (none: the value that stands
/// outside).
struct ResizeSpan {
  int32_t begin, end;
};
template <class Weight>
struct DeviceTap {
  int32_t from;
  Weight weight;
};

/// A picture resized along its two spatial axes, a thread an output: the sum of vertical by horizontal taps.
/// Element (n, c, h, w) lies at n * picture + c * channel + (h * width + w) * place.
template <class In, class Out, class Weight>
struct ResizeArgs {
  In x;
  Out y;
  const ResizeSpan* rows;
  const ResizeSpan* columns;
  const DeviceTap<Weight>* row_taps;
  const DeviceTap<Weight>* column_taps;
  int64_t count, x_picture, x_channel, x_place, y_picture, y_channel, y_place;
  int32_t channels, width, out_height, out_width;
  bool channels_last;
  Weight outside;
};

using FloatResizeArgs = ResizeArgs<Floats, FloatsOut, double>;
/// As ops/resize/resize_integer.h, of weights with so many bits behind the point.
constexpr int kCodeWeightBits = 10;
using CodeResizeArgs = ResizeArgs<const uint8_t*, uint8_t*, int32_t>;

DECLARE_DEVICE_KERNEL(resize_floats, FloatResizeArgs);
DECLARE_DEVICE_KERNEL(resize_u8, CodeResizeArgs);

}  // namespace halftone::cuda
