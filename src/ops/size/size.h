#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Size (13): how many elements data has, as an i64 scalar.
const OpSchema& size_schema();

}  // namespace halftone
