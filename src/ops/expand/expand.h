#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Expand (13): the input repeated to the shape that it and `shape` broadcast to.
const OpSchema& expand_schema();

}  // namespace halftone
