#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Div (14): C = A / B, broadcast. Floating types are computed in f32 (f64 in itself); integer quotients
/// are cut towards zero, and a division by zero gives 0.
const OpSchema& div_schema();

}  // namespace halftone
