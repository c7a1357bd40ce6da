#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX TopK (11): the K largest (attribute largest 1, else smallest) elements along attribute axis (-1), in
/// order, and their i64 indices. Equal ones stand in the order of their indices; NaN counts as the largest.
const OpSchema& top_k_schema();

}  // namespace halftone
