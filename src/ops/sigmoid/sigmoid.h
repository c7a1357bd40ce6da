#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Sigmoid (13): Y = 1 / (1 + exp(-X)).
const OpSchema& sigmoid_schema();

}  // namespace halftone
