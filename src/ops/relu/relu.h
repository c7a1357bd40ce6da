#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Relu (14): Y = max(X, 0); NaN stays NaN.
const OpSchema& relu_schema();

}  // namespace halftone
