#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Transpose (13): axes in the order of attribute perm (default: reversed), for elements of any type.
const OpSchema& transpose_schema();

}  // namespace halftone
