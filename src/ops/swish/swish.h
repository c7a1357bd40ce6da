#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Swish (24): Y = X / (1 + exp(-alpha * X)). Attribute alpha (1: the SiLU of the LLMs).
const OpSchema& swish_schema();

}  // namespace halftone
