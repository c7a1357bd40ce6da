#pragma once

#include "ops/window.h"

namespace halftone {

/// ONNX MaxPool (22): the largest element under each window, and where it was.
///
/// Inputs: X [N, C, spatial...] of any number type.
/// Outputs: Y, and Indices (i64, the element's place in the whole of X flattened; of the first among equals;
///          storage_order = 1 counts the last two spatial axes column by column). A window that has only
///          padding under it gives the lowest number and the index -1.
/// Attributes: kernel_shape, strides, dilations, pads, auto_pad, ceil_mode.
const OpSchema& max_pool_schema();

}  // namespace halftone
