#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Neg (13): Y = -X; the smallest integer stays itself.
const OpSchema& neg_schema();

}  // namespace halftone
