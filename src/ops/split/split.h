#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Split (18): data cut along attribute axis (0) into pieces of the sizes that split lists, or into
/// attribute num_outputs pieces of equal size, the last one shorter where it does not divide. How many pieces
/// there are must be known ahead.
const OpSchema& split_schema();

}  // namespace halftone
