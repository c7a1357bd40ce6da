#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Add (14): C = A + B, broadcast. Floating types are computed in f32 (f64 in itself);
/// integers wrap around.
const OpSchema& add_schema();

}  // namespace halftone
