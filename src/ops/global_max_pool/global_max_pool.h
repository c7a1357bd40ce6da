#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX GlobalMaxPool (22): the largest element of each channel. X [N, C, spatial...] -> Y [N, C, 1...],
/// floating.
const OpSchema& global_max_pool_schema();

}  // namespace halftone
