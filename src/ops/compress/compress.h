#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Compress (11): the slices along attribute axis (all elements, if it is absent) whose place in the
/// boolean vector condition is true. How many is unknown until the condition is at hand.
const OpSchema& compress_schema();

}  // namespace halftone
