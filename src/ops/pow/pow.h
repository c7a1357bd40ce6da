#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Pow (15): Z = X ^ Y, broadcast; Z has the type of X, Y may have another number type.
///
/// 16-bit floats are computed in f32. An integer to an integer's power wraps around, to a negative one it is
/// cut towards zero; to a floating power it is computed in f64 and cut.
const OpSchema& pow_schema();

}  // namespace halftone
