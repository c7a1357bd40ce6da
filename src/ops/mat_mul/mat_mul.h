#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX MatMul (13): the matrix product of the last two axes, the others broadcast; a vector on the left is a
/// row, on the right a column, and its axis of 1 vanishes. Floating types and i32, i64.
///
/// A quantized constant is decoded; an activation encoding on a use is refused (linear layers are Gemm, which
/// has the integer path). The reference sums in double (integers wrap around).
const OpSchema& mat_mul_schema();

}  // namespace halftone
