#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Sqrt (13): the square root; NaN for negative elements.
const OpSchema& sqrt_schema();

}  // namespace halftone
