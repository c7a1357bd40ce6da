#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Pow (15): Z = X ^ Y, broadcast, for one floating type on both sides.
const OpSchema& pow_schema();

}  // namespace halftone
