#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Squeeze (13): without the axes of the constant axes, each of size 1; without all axes of size 1 where
/// axes is absent.
const OpSchema& squeeze_schema();

}  // namespace halftone
