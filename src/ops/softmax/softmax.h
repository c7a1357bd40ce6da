#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Softmax (13): exp(x - max) / sum of exp(x - max) along one axis. Attribute axis (-1). The reference
/// computes in double.
const OpSchema& softmax_schema();

}  // namespace halftone
