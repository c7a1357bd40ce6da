#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Where (16): X where condition is true, Y elsewhere; all three broadcast. X and Y have one type, any.
const OpSchema& where_schema();

}  // namespace halftone
