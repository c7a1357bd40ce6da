#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX OneHot (11): values[1] where the index along a new axis (attribute axis, -1: the last) equals indices
/// there, values[0] elsewhere. The axis has `depth` places; indices count from the back when negative, beyond
/// they match none.
const OpSchema& one_hot_schema();

}  // namespace halftone
