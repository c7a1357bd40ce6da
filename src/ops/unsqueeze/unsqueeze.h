#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Unsqueeze (13): with axes of size 1 put in, so that they stand at the places that the constant axes
/// names in the output.
const OpSchema& unsqueeze_schema();

}  // namespace halftone
