#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX GlobalAveragePool (22): the mean of each channel. X [N, C, spatial...] -> Y [N, C, 1...], floating.
/// The reference sums in double.
const OpSchema& global_average_pool_schema();

}  // namespace halftone
