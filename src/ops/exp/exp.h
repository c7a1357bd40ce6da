#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Exp (13): e to the power of each element.
const OpSchema& exp_schema();

}  // namespace halftone
