#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Reshape (14): the same elements under another shape.
///
/// shape is an i64 vector: a size, 0 (the input's size on that axis, unless attribute allowzero is 1), or one
/// -1 (what is left). With symbolic dimensions the -1 is found where they cancel and unknown otherwise.
const OpSchema& reshape_schema();

}  // namespace halftone
