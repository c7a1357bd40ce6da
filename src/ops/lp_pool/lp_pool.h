#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX LpPool (22): the p-norm of the elements under each window, (sum |x|^p)^(1/p).
///
/// Inputs: X [N, C, spatial...], floating.
/// Attributes: kernel_shape, strides, dilations, pads, auto_pad, ceil_mode, p (2, at least 1). The reference
/// sums in double.
const OpSchema& lp_pool_schema();

}  // namespace halftone
