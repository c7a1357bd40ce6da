#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Tanh (13), elementwise.
const OpSchema& tanh_schema();

}  // namespace halftone
