#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Shape (15): the sizes of data's axes start (0) to end (all), counted from the back when negative and
/// cut to the ends, as an i64 vector.
const OpSchema& shape_schema();

}  // namespace halftone
