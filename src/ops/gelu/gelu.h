#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Gelu (20): Y = X Phi(X). Attribute approximate: "none" (exact, by erf) or "tanh" (see
/// activation.h), and beyond ONNX "polynomial": erf by I-BERT's polynomial (ops/integer_functions.h).
const OpSchema& gelu_schema();

}  // namespace halftone
