#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Erf (13): the error function, for floating-point types.
const OpSchema& erf_schema();

}  // namespace halftone
