#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX PRelu (16): Y = X where X >= 0, slope * X elsewhere, for one number type; slope broadcasts to X.
const OpSchema& p_relu_schema();

}  // namespace halftone
