#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Split (18): data cut along attribute axis (0) into pieces of the sizes of the constant split, or into
/// attribute num_outputs pieces of equal size, the last one shorter where it does not divide. The axis' size
/// is not symbolic.
const OpSchema& split_schema();

}  // namespace halftone
