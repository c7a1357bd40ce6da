#pragma once

#include "ops/window.h"

namespace halftone {

/// ONNX AveragePool (22): the mean of the elements under each window.
///
/// Inputs: X [N, C, spatial...], floating.
/// Attributes: kernel_shape, strides, dilations, pads, auto_pad, ceil_mode, count_include_pad (0; 1: padding
/// counts as elements of value 0, but what a window of ceil_mode covers behind the pads does not).
/// The reference sums in double. A window without elements gives 0.
const OpSchema& average_pool_schema();

/// What the sum at output `at` is divided by, 1 at least.
int64_t average_pool_divisor(const Window& window, const Shape& spatial, const SpatialIndex& at,
                             bool count_include_pad);

}  // namespace halftone
