#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Softmax and LogSoftmax (13): exp(x - max) / sum of exp(x - max) along one axis, or its logarithm.
/// Attribute axis (-1). The references compute in double.
std::span<const OpSchema> softmax_schemas();

}  // namespace halftone
