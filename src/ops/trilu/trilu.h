#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Trilu (14): matrices [..., rows, columns] with the elements above (attribute upper 1, the default) or
/// below (0) their k-th diagonal kept, that diagonal too, and zeros elsewhere.
const OpSchema& trilu_schema();

}  // namespace halftone
